/** Reports everything that is wrong with the microservice in the current folder. */
Map call(Map given = [:]) {
    Map defaults = [
        folder: '.',        // where the microservice is
        gerritProject: '',  // these two: for exceptions from the policy; else what GERRIT_* say
        branch: '',
    ]
    Map step = [name: 'deepinCheck', command: 'check', credentials: []]
    return pydeployStep(step, defaults, given)
}
