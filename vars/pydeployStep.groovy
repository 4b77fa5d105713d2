import groovy.json.JsonOutput

/**
 * Runs one command of the tool on the current node; every step ends here.
 * The only `sh` of the library: its text is constant, all data is in the environment.
 */
Map call(Map step, Map defaults, Map given) {
    Map arguments = pydeployArguments(step, defaults, given)
    // Beside the workspace, not in it: that is the change. Each call has a folder of its own.
    String place = pwd(tmp: true)
    String folder = 'pydeploy/' + step.command + '-' + UUID.randomUUID()
    List names = ['bootstrap.sh', 'requirements.txt']
    for (int at = 0; at < names.size(); at++) { // an iterator could not be kept over a step
        String text = libraryResource('com/deepin/pydeploy/' + names[at])
        writeFile(file: place + '/' + folder + '/' + names[at], text: text, encoding: 'UTF-8')
    }
    Map asked = [step: step.command, arguments: arguments.subMap(['site'] + defaults.keySet())]
    List variables = [
        // Some versions of Jenkins put a variable in the place of `$NAME`: no `$` is left.
        'PYDEPLOY_STEP=' + JsonOutput.toJson(asked).replace('$', '\\u0024'),
        'PYDEPLOY_RESULT=' + place + '/' + folder,
        'PYDEPLOY_BOOTSTRAP=' + place + '/' + folder + '/bootstrap.sh',
    ]
    int code = 0
    try {
        pydeployCredentials(step.credentials, arguments) {
            withEnv(variables) {
                code = sh(script: 'exec sh "$PYDEPLOY_BOOTSTRAP" step', returnStatus: true)
            }
        }
    } finally {
        dir(place) {
            archiveArtifacts(artifacts: folder + '/result.json', allowEmptyArchive: true)
        }
    }
    return pydeployResult(step.name, place + '/' + folder, code)
}
