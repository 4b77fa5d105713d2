package com.deepin.pydeploy

import hudson.AbortException
import org.junit.Before
import org.junit.Test

/** What people copy works: each example is run as it is. */
class ExamplesTest extends StepTest {

    List<String> commands = []

    @Before
    void answers() {
        binding.getVariable('env').putAll([GERRIT_CHANGE_NUMBER: '10020', GERRIT_BRANCH: 'master', BUILD_TAG: 'jenkins-docs-7'])
        tool.answers.deploy = { Map it ->
            String name = it.name ?: '10020'
            [0, [state: 'running', environment: name, url: "http://${name}.deploy.deepin.test"]]
        }
        tool.answers.promote = { [0, [state: 'running', environment: 'staging', url: 'http://staging.deploy.deepin.test']] }
        tool.answers.build = { [0, [state: 'built', change: '10020']] }
        tool.answers.status = { Map it -> [0, [state: 'running', environment: it.environment, health: '1/1 up']] }
        tool.answers.trigger = { [0, [state: 'done', url: 'http://other/12/', result: 'SUCCESS']] }
        helper.registerAllowedMethod('sh', [String]) { String it -> commands.add(it) }
    }

    private void example(String path) {
        run(new File(LIBRARY, path).getText('UTF-8'))
    }

    /** Five lines at most. */
    @Test
    void 'the one that a newcomer copies'() {
        assert new File(LIBRARY, 'Jenkinsfile.example').readLines().size() <= 5
        example('Jenkinsfile.example')
        assert tool.steps == ['check', 'build', 'deploy', 'status', 'report']
    }

    @Test
    void 'declarative'() {
        example('examples/jenkins/Jenkinsfile.declarative')
        assert tool.steps == ['check', 'deploy', 'report']
        assert commands == ['curl --fail --silent --show-error "$SMOKE_URL"']
    }

    /** What `post` says is run. */
    @Test
    void 'declarative that fails'() {
        tool.answers.deploy = { [4, DeepinPipelineTest.BROKEN] }
        String text = new File(LIBRARY, 'examples/jenkins/Jenkinsfile.declarative').getText('UTF-8')
        assert failure(text).startsWith('deepinDeploy: DeployError')
        assert tool.steps == ['check', 'deploy', 'report', 'notify']
    }

    /** What was deployed and does not work is not told as deployed. */
    @Test
    void 'declarative whose smoke test fails'() {
        helper.registerAllowedMethod('sh', [String]) { String it -> throw new AbortException('script returned exit code 22') }
        String text = new File(LIBRARY, 'examples/jenkins/Jenkinsfile.declarative').getText('UTF-8')
        assert failure(text) == 'script returned exit code 22'
        assert tool.steps == ['check', 'deploy', 'report', 'notify']
        assert tool.asked[2].arguments.failing == 'the build is FAILURE'
    }

    @Test
    void 'parallel'() {
        example('examples/jenkins/Jenkinsfile.parallel')
        assert tool.steps == ['deploy', 'deploy', 'report']
        assert tool.asked*.arguments*.folder == ['services/web', 'services/docs', null]
        assert tool.asked.last().arguments.message == 'docs: http://docs-10020.deploy.deepin.test'
    }

    @Test
    void 'promotion'() {
        example('examples/jenkins/Jenkinsfile.promotion')
        assert tool.steps == ['promote', 'report', 'remove']
    }

    @Test
    void 'nightly'() {
        example('examples/jenkins/Jenkinsfile.nightly')
        assert tool.asked[0].arguments.subMap(['name', 'data']) == [name: 'nightly', data: 'keep']
    }

    @Test
    void 'trigger'() {
        example('examples/jenkins/Jenkinsfile.trigger')
        assert tool.asked[0].arguments.subMap(['job', 'parameters', 'idempotencyKey']) ==
            [job: 'iso/daily', parameters: [BRANCH: 'master'], idempotencyKey: 'jenkins-docs-7']
        assert echoed == ['built: http://other/12/']
    }

    /** A new example has a test. */
    @Test
    void 'each one is run'() {
        assert new File(LIBRARY, 'examples/jenkins').list().sort() ==
            ['declarative', 'nightly', 'parallel', 'promotion', 'trigger'].collect { 'Jenkinsfile.' + it }
    }
}
