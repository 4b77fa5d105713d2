/**
 * What was given over the defaults. An unknown argument, or one of another type than its default,
 * fails at once. Every step also takes `site`, and the ids of the credentials that it can use.
 */
Map call(Map step, Map defaults, Map given) {
    Map known = [site: ''] + defaults
    for (String system in step.credentials) {
        known.put(system + 'CredentialsId', '')
    }
    Map whole = known + [:]
    for (Object name in given.keySet().toList()) {
        Object value = given.get(name)
        String problem = problemOf(known, name.toString(), value)
        if (problem) {
            error(step.name + ': ' + problem)
        }
        if (value != null) {
            whole.put(name.toString(), value)
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
