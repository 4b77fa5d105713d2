package com.deepin.pydeploy.live

import com.deepin.pydeploy.StepTest
import com.lesfurets.jenkins.unit.cps.PipelineTestHelperCPS
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * Runs one pipeline whose `sh` is a real one, for tests/integration/test_steps.py.
 *
 * Takes a JSON file: {jenkinsfile, workspace, env, credentials, console, pid, aborted, outcome}, the
 * last four of them paths; writes what came of it to `outcome`. `credentials` is id → {kind, secrets},
 * the class of the binding that fits, and what each of its variables gets.
 */
class Live extends StepTest {

    Map asked

    /** That everything can be kept is the other tests' to see, and takes its time. */
    Live() {
        helper = new PipelineTestHelperCPS() {
            @Override
            Object roundtripSerialization(Object object) {
                return object
            }
        }
    }

    static void main(String[] arguments) {
        Live live = new Live(asked: new JsonSlurper().parse(new File(arguments[0]), 'UTF-8') as Map)
        live.folder.create()
        try {
            live.setUp()
            live.go()
        } finally {
            live.folder.delete()
        }
    }

    @Override
    File getWorkspace() {
        return new File(asked.workspace)
    }

    private void go() {
        Map outcome = [:]
        binding.setVariable('env', [:] + asked.env)
        credentials = asked.credentials.collectEntries { id, one -> [id, one.kind] }
        try {
            outcome.returned = run(asked.jenkinsfile)
        } catch (Exception problem) {
            outcome += [failure: problem.message, kind: problem.class.simpleName]
        }
        outcome += [result: currentBuild.result, description: currentBuild.description,
                    archived: archived, echoed: echoed, shells: shells]
        new File(asked.outcome).setText(JsonOutput.toJson(outcome), 'UTF-8')
    }

    @Override
    String secret(String id, String key) {
        return asked.credentials[id].secrets[key]
    }

    /** As Jenkins runs it; a build that is aborted meanwhile ends so, whatever the exit code. */
    @Override
    int runShell(String script, Map<String, String> given) {
        File file = new File(folder.root, "script${System.nanoTime()}.sh")
        file.setText(script, 'UTF-8')
        ProcessBuilder builder = new ProcessBuilder('sh', '-xe', file.path)
        builder.environment().putAll(asked.env as Map<String, String>)
        builder.environment().putAll(given)
        builder.directory(workspace).redirectErrorStream(true)
        builder.redirectOutput(ProcessBuilder.Redirect.appendTo(new File(asked.console)))
        Process process = builder.start()
        new File(asked.pid).text = process.pid()
        int code = process.waitFor()
        if (new File(asked.aborted).exists()) {
            throw new FlowInterruptedException()
        }
        return code
    }
}
