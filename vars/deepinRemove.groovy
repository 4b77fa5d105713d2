/** Removes an environment and every trace of it; no error where there is none. */
Map call(Map given = [:]) {
    Map defaults = [
        environment: '',    // else the change's own
        purgeData: false,   // also the data that a named environment keeps
    ]
    Map step = [name: 'deepinRemove', command: 'remove', credentials: ['etcd', 'registry', 'engine']]
    return pydeployStep(step, defaults, given)
}
