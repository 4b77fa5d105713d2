ruleset {
    ruleset('rulesets/jenkins.xml')
}
