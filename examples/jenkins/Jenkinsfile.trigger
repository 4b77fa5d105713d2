// A job in another Jenkins (site.yml names it), once per build of this one, also if it is retried.
@Library('pydeploy') _

node {
    stage('Image') {
        Map image = deepinTrigger(
            job: 'iso/daily',
            parameters: [BRANCH: env.GERRIT_BRANCH ?: 'master'],
            wait: true,
            timeout: '2h',
            idempotencyKey: env.BUILD_TAG
        )
        echo "built: ${image.url}"
    }
}
