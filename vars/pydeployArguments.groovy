/**
 * What was given over the defaults. An unknown argument, or one of another type than its default,
 * fails at once. Every step also takes `site`, and the ids of the credentials that it can use.
 */
Map call(Map step, Map defaults, Map given) {
    Map known = [site: ''] + defaults
    for (int at = 0; at < step.credentials.size(); at++) {
        known.put(step.credentials[at] + 'CredentialsId', '')
    }
    Map whole = known + [:]
    List names = given.keySet().toList()
    for (int at = 0; at < names.size(); at++) { // an iterator could not be kept over a step
        String name = names[at]
        Object value = given.get(name)
        String problem = problemOf(known, name, value)
        if (problem) {
            error(step.name + ': ' + problem)
        }
        if (value != null) {
            whole.put(name, value)
        }
    }
    return whole
}

private String problemOf(Map known, String name, Object value) {
    if (!known.containsKey(name)) {
        return "there is no argument '${name}'; " + pydeployMeant(name, known.keySet().toList())
    }
    String wanted = pydeployType(known.get(name))
    boolean isNumber = wanted == 'a whole number' && value.toString().isInteger()
    boolean isRight = value == null || isNumber || pydeployType(value) == wanted
    return isRight ? '' : "${name} must be ${wanted}, not ${pydeployType(value)}"
}
