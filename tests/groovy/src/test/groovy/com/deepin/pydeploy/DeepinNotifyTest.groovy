package com.deepin.pydeploy

import org.junit.Test

/** deepinNotify. */
class DeepinNotifyTest extends StepTest {

    /** The webhook is a secret text; the words are data. */
    @Test
    void 'says it'() {
        credentials.hook = 'StringBinding'
        run('''deepinNotify(text: '$(id) @all', to: ['team'], chatCredentialsId: 'hook')''')
        assert tool.asked[0].arguments.subMap(['text', 'to']) == [text: '$(id) @all', to: ['team']]
        assert tool.asked[0].variables.PYDEPLOY_CHAT_WEBHOOK == 'hook:variable'
        assert shells == [tool.bootstrapped]
    }
}
