/** Says something in the team's chats. */
Map call(Map given = [:]) {
    Map defaults = [
        text: '',           // needed
        environment: '',    // adds its link and its state
        result: [:],        // of another step: adds what it says
        to: [],             // only in these chats of site.yml
    ]
    Map step = [name: 'deepinNotify', command: 'notify', credentials: ['chat', 'etcd', 'engine']]
    return pydeployStep(step, defaults, given)
}
