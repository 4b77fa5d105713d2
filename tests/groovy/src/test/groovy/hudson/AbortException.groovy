package hudson

/** Stands for Jenkins' own: what `error` raises, and a binding of credentials of another kind. */
class AbortException extends IOException {
    AbortException(String message) {
        super(message)
    }
}
