package com.deepin.pydeploy

import org.junit.Test

/** deepinReport. */
class DeepinReportTest extends StepTest {

    /** Without a result the tool looks for this build's own. */
    @Test
    void 'reports what the build did'() {
        tool.answers.report = { [0, [state: 'sent', vote: '1', isPosted: 'true']] }
        assert run('return deepinReport()').vote == '1'
        assert tool.asked[0].arguments.result == [:]
    }

    /** Never deployed, whatever worked; an aborted build says nothing of the change. */
    @Test
    void 'says how the build ends'() {
        run('deepinReport()')
        currentBuild.currentResult = 'FAILURE'
        run('deepinReport()')
        run('deepinReport(failing: "no smoke")')
        currentBuild.currentResult = 'ABORTED'
        run('deepinReport()')
        assert tool.asked*.arguments*.failing == ['', 'the build is FAILURE', 'no smoke', '']
        assert tool.asked*.arguments*.phase == ['', '', '', 'aborted']
    }

    /** With all that it holds, maps included. */
    @Test
    void 'takes the result of another step'() {
        tool.answers.deploy = { [0, DeepinDeployTest.RUNNING] }
        run('deepinReport(result: deepinDeploy(), message: """two\nlines""", vote: "none")')
        assert tool.asked[1].arguments.result.urls == [web: 'http://10020.deploy.deepin.test']
        assert tool.asked[1].arguments.subMap(['message', 'vote']) == [message: 'two\nlines', vote: 'none']
    }
}
