package com.deepin.pydeploy

import org.junit.Test

/** deepinStatus. */
class DeepinStatusTest extends StepTest {

    /** One environment. */
    @Test
    void 'tells of one'() {
        tool.answers.status = { Map it -> [0, [state: 'running', environment: it.environment, health: '2/2 up', 'change/number': '10020']] }
        Map found = run('return deepinStatus(environment: "10020")')
        assert found == [state: 'running', environment: '10020', health: '2/2 up', change: [number: '10020']]
    }

    /** All of them, as maps by name. */
    @Test
    void 'tells of all'() {
        tool.answers.status = { [0, [state: 'done', environments: 'a\nb', 'urls/a': 'http://a', 'states/a': 'running', 'states/b': 'completed']] }
        Map found = run('return deepinStatus()')
        assert found.environments.readLines() == ['a', 'b']
        assert found.states == [a: 'running', b: 'completed']
    }
}
