/** Builds the images of the microservice in the current folder, once. */
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
        push: true,         // into the site's registry, if it has one
        engine: '',         // an engine of site.yml instead of its default
    ]
    Map step = [name: 'deepinBuild', command: 'build', credentials: ['gerrit', 'etcd', 'registry', 'engine']]
    return pydeployStep(step, defaults, given)
}
