package com.deepin.pydeploy

import org.junit.Test

/** deepinRemove. */
class DeepinRemoveTest extends StepTest {

    /** The change's own, or one by its name. */
    @Test
    void 'removes'() {
        tool.answers.remove = { Map it -> [0, [state: 'removed', environment: it.environment ?: '10020', 'removed/containers': '2']] }
        assert run('return deepinRemove()').removed == [containers: '2']
        assert run('return deepinRemove(environment: "staging", purgeData: true)').environment == 'staging'
        assert tool.asked*.arguments*.purgeData == [false, true]
    }
}
