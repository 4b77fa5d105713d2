/**
 * Runs `body` with the credentials of `systems` in variables that the tool knows. The id is the
 * step's argument, else what Jenkins sets globally; what has no id is not bound.
 */
Object call(List systems, Map arguments, Closure body) {
    if (!systems) {
        return body()
    }
    String variable = 'PYDEPLOY_' + systems[0].toUpperCase() + '_CREDENTIALS_ID'
    String id = arguments[systems[0] + 'CredentialsId'] ?: env."${variable}"
    List kinds = id ? pydeployBindings(systems[0], id) : []
    return bound(kinds) {
        pydeployCredentials(systems.drop(1), arguments, body)
    }
}

/** As the first kind; as the next one if it is of another. Only the binding is tried again. */
private Object bound(List kinds, Closure body) {
    if (!kinds) {
        return body()
    }
    boolean isBound = false
    try {
        return withCredentials([kinds[0]]) {
            isBound = true
            body()
        }
    } catch (hudson.AbortException refusal) { // an aborted build is none: it goes on its way
        if (isBound || kinds.size() == 1) {
            throw refusal
        }
    }
    return bound(kinds.drop(1), body)
}
