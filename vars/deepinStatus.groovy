/** What runs: one environment, or all of them. */
Map call(Map given = [:]) {
    Map defaults = [
        environment: '',    // else the change's own; outside of a change all
    ]
    Map step = [name: 'deepinStatus', command: 'status', credentials: ['etcd', 'engine']]
    return pydeployStep(step, defaults, given)
}
