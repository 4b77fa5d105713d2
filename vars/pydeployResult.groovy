import groovy.json.JsonOutput

/** The result that the tool has left in `folder`, as a Map; ends the build where it is no success. */
Map call(String step, String folder, int code) {
    String file = folder + '/result.properties'
    Map result = fileExists(file) ? pydeployProperties(readFile(file: file, encoding: 'UTF-8')) : [:]
    String shown = currentBuild.description ?: ''
    if (step in ['deepinDeploy', 'deepinPromote'] && result.url && !shown.contains(result.url)) {
        currentBuild.description = shown ? shown + ' ' + result.url : result.url
    }
    if (result.state == 'superseded') {
        currentBuild.result = 'NOT_BUILT'
        error(step + ': superseded by ' + (result.supersededBy ?: 'something newer') + '; nobody votes')
    }
    if (code != 0 || !result.state) {
        error(step + ': ' + told(result.error ?: killed(step, folder, code)))
    }
    return result
}

/** It was, or never began: noted as its result, so that a report of the build tells it. */
private Map killed(String step, String folder, int code) {
    Map failure = [class: 'exit ' + code, message: 'pydeploy has left no result, see above', fault: 'operator']
    Map whole = [step: step.toLowerCase().replace('deepin', ''), state: 'failed', build: env.BUILD_TAG, error: failure]
    writeFile(file: folder + '/result.json', text: JsonOutput.toJson(whole), encoding: 'UTF-8')
    return failure
}

/** One line: class, message, whose turn it is. */
private String told(Map failure) {
    Map turns = [
        author: " (the author's turn)",
        operator: " (the operator's turn)",
        caller: ' (the turn of whoever wrote the pipeline)',
    ]
    String message = (failure.message ?: '').tokenize('\r\n').join(' ')
    return failure.get('class') + ': ' + message + (turns.get(failure.fault) ?: '')
}
