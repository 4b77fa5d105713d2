package org.jenkinsci.plugins.workflow.steps

/** Stands for Jenkins' own: an aborted build. */
class FlowInterruptedException extends InterruptedException {
}
