/**
 * Tells Gerrit and the chats what came of a deepinPipeline. When it `isFailing` already, that is the
 * failure which counts, and not one on the way to those who are told.
 */
void call(Map all, Map about, boolean isFailing) {
    try {
        Map common = all.subMap(['site', 'etcdCredentialsId', 'engineCredentialsId'])
        if (all.report) {
            deepinReport(common + about + [gerritCredentialsId: all.gerritCredentialsId])
        }
        if (all.chats) {
            String failed = currentBuild.result == 'NOT_BUILT' ? 'superseded' : 'failed'
            String end = isFailing ? (about.phase ?: failed) : 'done'
            String text = "${env.JOB_NAME} ${env.BUILD_NUMBER}: ${end} ${env.BUILD_URL}"
            deepinNotify(common + about.subMap(['result'])
                + [text: text, to: all.chats, chatCredentialsId: all.chatCredentialsId])
        }
    } catch (hudson.AbortException failure) {
        if (!isFailing) {
            throw failure
        }
        echo('the failure could not be told: ' + failure.message)
    }
}
