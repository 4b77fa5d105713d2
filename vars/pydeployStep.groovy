import groovy.json.JsonOutput

/**
 * Runs one command of the tool on the current node; every step ends here.
 * The only `sh` of the library: its text is constant, all data is in the environment.
 */
Map call(Map step, Map defaults, Map given) {
    Map arguments = pydeployArguments(step, defaults, given)
    Map made = pydeployFolder(step.command)
    Map asked = [step: step.command, arguments: arguments.subMap(['site'] + defaults.keySet())]
    List variables = [
        // Some versions of Jenkins put a variable in the place of `$NAME`: no `$` is left.
        'PYDEPLOY_STEP=' + JsonOutput.toJson(asked).replace('$', '\\u0024'),
        'PYDEPLOY_RESULT=' + made.path,
        'PYDEPLOY_BOOTSTRAP=' + made.path + '/bootstrap.sh',
        // At the end of a `node` Jenkins kills what has its cookie; an abort goes by another one.
        'JENKINS_NODE_COOKIE=dontKillMe',
    ]
    int code = 0
    try {
        pydeployCredentials(step.credentials, arguments) {
            withEnv(variables) {
                code = sh(script: 'exec sh "$PYDEPLOY_BOOTSTRAP" step', returnStatus: true)
            }
        }
    } finally {
        archive(made)
    }
    return pydeployResult(step.name, made.path, code)
}

/** An agent that is lost has ended the step already, and that is what is told. */
private void archive(Map made) {
    try {
        dir(made.place) { archiveArtifacts(artifacts: made.folder + '/result.json', allowEmptyArchive: true) }
    } catch (IOException problem) {
        echo('result.json is not archived: ' + problem.message)
    }
}
