import com.cloudbees.groovy.cps.NonCPS

/** `did you mean 'ttl'?` for the name that is nearest to `word`, else all names. */
@NonCPS
String call(String word, List names) {
    String nearest = ''
    int shortest = word.length() // as if every letter were another: no name is near
    for (String name in names) {
        int steps = distance(word.toLowerCase(), name.toLowerCase())
        if (steps < shortest && steps * 2 <= word.length()) {
            nearest = name
            shortest = steps
        }
    }
    return nearest ? "did you mean '${nearest}'?" : "there is ${names.join(', ')}"
}

/** How many letters have to be put in, taken out or exchanged (Levenshtein). */
@NonCPS
private int distance(String one, String other) {
    List before = []
    for (int column = 0; column <= other.length(); column++) {
        before.add(column)
    }
    for (int row = 0; row < one.length(); row++) {
        List here = [row + 1]
        for (int column = 0; column < other.length(); column++) {
            int exchanged = before[column] + (one.charAt(row) == other.charAt(column) ? 0 : 1)
            here.add(Math.min(exchanged, 1 + Math.min(here[column], before[column + 1])))
        }
        before = here
    }
    return before[other.length()]
}
