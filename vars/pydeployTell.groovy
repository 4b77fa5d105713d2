/**
 * Tells Gerrit and the chats what came of a deepinPipeline; neither is kept from it by the other's
 * failure. When it `isFailing` already, that is the failure which counts, and not one on the way to
 * those who are told.
 */
void call(Map all, Map about, boolean isFailing) {
    Map common = all.subMap(['site', 'etcdCredentialsId', 'engineCredentialsId'])
    List failures = []
    if (all.report) {
        try {
            deepinReport(common + about + [gerritCredentialsId: all.gerritCredentialsId])
        } catch (hudson.AbortException failure) {
            failures += failure
        }
    }
    if (all.chats) {
        String failed = currentBuild.result == 'NOT_BUILT' ? 'superseded' : 'failed'
        String end = isFailing ? (about.phase ?: failed) : 'done'
        String text = "${env.JOB_NAME} ${env.BUILD_NUMBER}: ${end} ${env.BUILD_URL}"
        try {
            deepinNotify(common + about.subMap(['result'])
                + [text: text, to: all.chats, chatCredentialsId: all.chatCredentialsId])
        } catch (hudson.AbortException failure) {
            failures += failure
        }
    }
    for (int at = isFailing ? 0 : 1; at < failures.size(); at++) {
        echo('it could not be told: ' + failures[at].message)
    }
    if (failures && !isFailing) {
        throw failures[0]
    }
}
