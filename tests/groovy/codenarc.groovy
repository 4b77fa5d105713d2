/** What CodeNarc looks for in vars/; a finding fails the build. An exception has its reason. */
ruleset {
    // What CPS and serialisation forbid; without a word of ours these look at `Jenkinsfile` alone.
    ruleset('rulesets/jenkins.xml') {
        for (name in ['ClassNotSerializable', 'ClosureInGString', 'CpsCallFromNonCpsMethod',
                      'ExpressionInCpsMethodNotSerializable', 'ForbiddenCallInCpsMethod',
                      'ObjectOverrideOnlyNonCpsMethods', 'ParameterOrReturnTypeNotSerializable']) {
            "${name}" {
                applyToFileNames = '*.groovy'
            }
        }
    }
    ruleset('rulesets/basic.xml')
    ruleset('rulesets/braces.xml')
    ruleset('rulesets/concurrency.xml')
    ruleset('rulesets/exceptions.xml') {
        exclude 'CatchException'  // whatever ends a pipeline is told, and goes on
    }
    ruleset('rulesets/formatting.xml') {
        exclude 'SpaceAroundMapEntryColon'  // `name: value`, as pipelines are written
    }
    ruleset('rulesets/groovyism.xml')
    ruleset('rulesets/imports.xml')
    ruleset('rulesets/logging.xml')
    ruleset('rulesets/naming.xml')
    ruleset('rulesets/security.xml')
    ruleset('rulesets/unnecessary.xml') {
        exclude 'UnnecessaryGetter'         // `isInteger()` is no property
        exclude 'UnnecessaryReturnKeyword'  // a step says what it gives back
    }
    ruleset('rulesets/unused.xml')
}
