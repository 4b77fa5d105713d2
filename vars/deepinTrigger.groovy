/** Starts a job of another Jenkins, or of this one by its address. */
Map call(Map given = [:]) {
    Map defaults = [
        job: '',            // needed: 'folder/name', as its path reads
        parameters: [:],    // name: text
        parametersFrom: [:], // name: variable of the environment, for secrets
        files: [:],         // name: path of a file
        wait: false,        // for the result; anything but SUCCESS fails this build
        follow: false,      // wait, and show its console
        timeout: '',        // longest wait, such as '30m'
        idempotencyKey: '', // at most one build a day under this key
        stopOnInterrupt: false, // if this build is aborted, stop the other one, too
    ]
    Map step = [name: 'deepinTrigger', command: 'trigger', credentials: ['jenkins', 'etcd']]
    return pydeployStep(step, defaults, given)
}
