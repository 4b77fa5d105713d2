import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** The whole way of a change: check, build, deploy, verify, report; and its end when it is closed. */
Map call(Map given = [:]) {
    Map defaults = [
        label: '',          // of the agents that may run it; any
        folder: '.',        // where the microservice is
        name: '',           // these five as for deepinDeploy
        ttl: '',
        data: '',
        dataFrom: '',
        engine: '',
        verify: { result -> }, // a block that gets the result, and fails if something is wrong
        report: true,       // to Gerrit, with a vote; false where somebody else votes
        chats: [],          // of site.yml: these are told, too
    ]
    List systems = ['etcd', 'registry', 'engine', 'gerrit', 'chat']
    Map all = pydeployArguments([name: 'deepinPipeline', credentials: systems], defaults, given)
    Map result = [:]
    node(all.label) {
        try {
            stage('Checkout') { checkout(scm) }
            result = pydeployWay(all)
        } catch (FlowInterruptedException aborted) {
            pydeployTell(all, [phase: 'aborted'], true)
            throw aborted
        } catch (Exception failure) {
            pydeployTell(all, [failing: failure.message ?: 'the build failed'], true)
            throw failure
        }
        if (all.report || all.chats) {
            stage('Report') {
                pydeployTell(all, [result: result], false)
            }
        }
    }
    return result
}
