import com.cloudbees.groovy.cps.NonCPS

/** The type of a value in words. */
@NonCPS
String call(Object value) {
    if (value instanceof CharSequence) {
        return 'a text'
    }
    if (value instanceof Boolean) {
        return 'true or false'
    }
    if (value instanceof Integer || value instanceof Long) {
        return 'a whole number'
    }
    if (value instanceof List) {
        return 'a list'
    }
    if (value instanceof Map) {
        return 'a map'
    }
    return value instanceof Closure ? 'a block' : 'something else'
}
