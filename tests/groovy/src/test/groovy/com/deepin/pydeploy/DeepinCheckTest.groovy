package com.deepin.pydeploy

import org.junit.Test

/** deepinCheck. */
class DeepinCheckTest extends StepTest {

    /** It needs no system, so no credentials are bound for it. */
    @Test
    void 'checks the current folder'() {
        binding.getVariable('env').PYDEPLOY_ETCD_CREDENTIALS_ID = 'etcd'
        tool.answers.check = { [0, [state: 'passed', service: 'hello', warnings: '2']] }
        assert run('return deepinCheck()') == [state: 'passed', service: 'hello', warnings: '2']
        assert tool.asked[0].arguments == [site: '', folder: '.', change: 0, patchset: 0, gerritProject: '', branch: '']
        assert bound.empty
    }

    /** Findings are the author's. */
    @Test
    void 'an error ends the build'() {
        tool.answers.check = { [2, [state: 'failed', errors: '1', 'error/class': 'PolicyError',
            'error/message': '1 error', 'error/fault': 'author']] }
        assert failure('deepinCheck(folder: "services/web")') == 'deepinCheck: PolicyError: 1 error (the author\'s turn)'
        assert tool.asked[0].arguments.folder == 'services/web'
    }
}
