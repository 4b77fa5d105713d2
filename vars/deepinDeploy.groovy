/** Deploys the microservice in the current folder, and returns where it answers. */
Map call(Map given = [:]) {
    Map defaults = [
        folder: '.',        // where the microservice is
        change: 0,          // these seven: else what GERRIT_* or git say of the change
        patchset: 0,
        revision: '',
        gerritProject: '',
        branch: '',
        topic: '',
        owner: '',
        name: '',           // an environment of this name instead of the change's own
        ttl: '',            // how long it lives, such as '3d'; else as the service or site says
        data: '',           // 'keep' or 'fresh' volumes
        dataFrom: '',       // an environment whose data new volumes start with
        engine: '',         // an engine of site.yml instead of its default
        force: false,       // also if this patchset runs already
    ]
    Map step = [name: 'deepinDeploy', command: 'deploy', credentials: ['gerrit', 'etcd', 'registry', 'engine']]
    return pydeployStep(step, defaults, given)
}
