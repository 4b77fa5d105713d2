/** The stages of deepinPipeline: those of a change that is open, or the one of a change that is closed. */
Map call(Map all) {
    Map common = all.subMap(['site', 'etcdCredentialsId', 'registryCredentialsId', 'engineCredentialsId'])
    Map asked = all.subMap(['gerritCredentialsId'])
    Map result = [:]
    if (env.GERRIT_EVENT_TYPE in ['change-abandoned', 'change-merged']) {
        stage('Remove') {
            result = deepinRemove(common + [environment: all.name])
        }
        return result
    }
    stage('Check') {
        deepinCheck(all.subMap(['site', 'folder', 'gerritCredentialsId']))
    }
    stage('Build') {
        result = deepinBuild(common + asked + all.subMap(['folder', 'engine']))
    }
    if (!result.change) { // the build of a branch
        all.report = false
        if (!all.name) {
            echo('no change and no `name`: what was built is not deployed')
            return result
        }
    }
    stage('Deploy') {
        result = deepinDeploy(common + asked + all.subMap(['folder', 'name', 'ttl', 'data', 'dataFrom', 'engine']))
    }
    stage('Verify') {
        Map found = deepinStatus(environment: result.environment, site: all.site,
            etcdCredentialsId: all.etcdCredentialsId, engineCredentialsId: all.engineCredentialsId)
        echo(found.environment + ' is ' + found.state + ', ' + (found.health ?: 'done'))
        all.verify.call(result)
    }
    return result
}
