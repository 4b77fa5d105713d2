package com.deepin.pydeploy

import org.junit.Test

/** deepinTrigger. */
class DeepinTriggerTest extends StepTest {

    /** Parameters are data; what they are called, too. */
    @Test
    void 'triggers'() {
        tool.answers.trigger = { [0, [state: 'done', job: 'iso/daily', number: '12', result: 'SUCCESS']] }
        Map found = run('return deepinTrigger(job: "iso/daily", parameters: ["A B": "1=2"], wait: true)')
        assert found.result == 'SUCCESS'
        assert tool.asked[0].arguments.parameters == ['A B': '1=2']
        assert tool.asked[0].arguments.wait
    }

    /** Another job's bad end is this one's. */
    @Test
    void 'a build that fails there fails here'() {
        tool.answers.trigger = { [11, [state: 'failed', exitCode: '11', 'error/class': 'Failed', 'error/message': 'trigger ended with FAILURE']] }
        assert failure('deepinTrigger(job: "iso/daily", wait: true)') == 'deepinTrigger: Failed: trigger ended with FAILURE'
    }
}
