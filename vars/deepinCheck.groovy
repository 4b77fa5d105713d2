/** Reports everything that is wrong with the microservice in the current folder. */
Map call(Map given = [:]) {
    Map defaults = [
        folder: '.',        // where the microservice is
        change: 0,          // these four: for exceptions from the policy; else what GERRIT_* say
        patchset: 0,
        gerritProject: '',
        branch: '',
    ]
    Map step = [name: 'deepinCheck', command: 'check', credentials: ['gerrit']]
    return pydeployStep(step, defaults, given)
}
