package com.deepin.pydeploy

import org.junit.Test

/** deepinBuild. */
class DeepinBuildTest extends StepTest {

    /** The images come back by service. */
    @Test
    void 'builds and pushes'() {
        tool.answers.build = { [0, [state: 'built', 'images/web': 'r/web@sha256:1']] }
        assert run('return deepinBuild()').images == [web: 'r/web@sha256:1']
        assert tool.asked[0].arguments.push
    }

    /** A switch that is on can be put off. */
    @Test
    void 'need not push'() {
        run('deepinBuild(push: false, change: 10020, patchset: 3)')
        assert tool.asked[0].arguments.subMap(['push', 'change', 'patchset']) == [push: false, change: 10020, patchset: 3]
    }
}
