/** Tells the change in Gerrit what came of it, and votes. */
Map call(Map given = [:]) {
    Map defaults = [
        change: 0,          // these three: else what GERRIT_* or git say of the change
        patchset: 0,
        revision: '',
        phase: '',          // 'started', 'deployed', ...; else as the result says
        result: [:],        // of another step; else this build's first failure, or its deploy
        failing: '',        // why the build fails, where no step says so; else as currentBuild says
        environment: '',    // if it is not called as the change
        message: '',        // a word of your own below the message
        vote: '',           // this vote instead, such as '-1'; 'none' for no vote
        dryRun: false,      // nothing is sent
    ]
    Map step = [name: 'deepinReport', command: 'report', credentials: ['gerrit', 'etcd', 'engine']]
    return pydeployStep(step, defaults, end(currentBuild.currentResult) + given)
}

/** A build that fails is not told of what worked before. */
private Map end(String result) {
    if (result == 'ABORTED') {
        return [phase: 'aborted']
    }
    return result == 'SUCCESS' ? [:] : [failing: 'the build is ' + result]
}
