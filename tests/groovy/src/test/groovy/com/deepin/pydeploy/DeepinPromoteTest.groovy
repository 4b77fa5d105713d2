package com.deepin.pydeploy

import org.junit.Test

/** deepinPromote. */
class DeepinPromoteTest extends StepTest {

    /** Where from is known from the change. */
    @Test
    void 'promotes'() {
        tool.answers.promote = { [0, [state: 'running', environment: 'staging', url: 'http://staging']] }
        assert run('return deepinPromote(to: "staging")').url == 'http://staging'
        assert tool.asked[0].arguments.subMap(['environment', 'to']) == [environment: '', to: 'staging']
        assert currentBuild.description == 'http://staging'
    }

    /** Somebody else was faster: nobody votes. */
    @Test
    void 'may be superseded'() {
        tool.answers.promote = { [0, [state: 'superseded']] }
        assert failure('deepinPromote(to: "staging")') == 'deepinPromote: superseded by something newer; nobody votes'
        assert currentBuild.result == 'NOT_BUILT'
    }
}
