/** Runs what one environment runs in another one: the same digests, nothing is built. */
Map call(Map given = [:]) {
    Map defaults = [
        environment: '',    // what runs now; else the change's own
        to: '',             // needed: where it is to run
        release: '',        // this release instead of the one that runs
        data: '',           // 'keep' or 'fresh' volumes
        dataFrom: '',       // an environment whose data new volumes start with
        engine: '',         // an engine of site.yml instead of the one it is on
    ]
    Map step = [name: 'deepinPromote', command: 'promote', credentials: ['etcd', 'registry', 'engine']]
    return pydeployStep(step, defaults, given)
}
