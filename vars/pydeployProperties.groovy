import com.cloudbees.groovy.cps.NonCPS

/** Lines `key=value` and `map.key=value` as a Map of texts and Maps; each part is percent-encoded. */
@NonCPS
Map call(String text) {
    Map result = [:]
    for (String line in text.tokenize('\n')) {
        int middle = line.indexOf('=')
        List keys = line.substring(0, middle).tokenize('.')
        String last = URLDecoder.decode(keys.last(), 'UTF-8')
        Map place = keys.size() == 1 ? result : result.get(keys[0], [:])
        place.put(last, URLDecoder.decode(line.substring(middle + 1), 'UTF-8'))
    }
    return result
}
