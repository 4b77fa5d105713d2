package com.deepin.pydeploy

import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.junit.Before
import org.junit.Test

/** deepinPipeline: its stages in their order, and every end is told. */
class DeepinPipelineTest extends StepTest {

    static final Map BROKEN = [state: 'failed', 'error/class': 'DeployError', 'error/message': 'm', 'error/fault': 'author']

    @Before
    void answers() {
        tool.answers.deploy = { [0, DeepinDeployTest.RUNNING] }
        tool.answers.build = { [0, [state: 'built', change: '10020']] }
        tool.answers.status = { Map it -> [0, [state: 'running', environment: it.environment, health: '1/1 up']] }
    }

    /** All of it with no argument. */
    @Test
    void 'the whole way'() {
        assert run('return deepinPipeline()').url == 'http://10020.deploy.deepin.test'
        assert stages == ['Checkout', 'Check', 'Build', 'Deploy', 'Verify', 'Report']
        assert tool.steps == ['check', 'build', 'deploy', 'status', 'report']
        assert tool.asked.last().arguments.result.url == 'http://10020.deploy.deepin.test'
        assert tool.asked[3].arguments.environment == '10020'
        assert echoed == ['10020 is running, 1/1 up']
    }

    /** Each argument goes to the steps that know it. */
    @Test
    void 'arguments reach the steps'() {
        run('deepinPipeline(folder: "web", ttl: "2d", name: "demo", data: "keep", engine: "b", site: "/s.yml")')
        assert tool.asked*.arguments*.site.unique() == ['/s.yml']
        assert tool.asked.take(3)*.arguments*.folder == ['web', 'web', 'web']
        assert tool.asked[2].arguments.subMap(['ttl', 'name', 'data', 'engine']) == [ttl: '2d', name: 'demo', data: 'keep', engine: 'b']
        assert failure('deepinPipeline(lable: "x")') == 'deepinPipeline: there is no argument \'lable\'; did you mean \'label\'?'
        assert failure('deepinPipeline(verify: "x")') == 'deepinPipeline: verify must be a block, not a text'
    }

    /** A block of the team's own has the last word before the report. */
    @Test
    void 'verify gets the result'() {
        run('deepinPipeline(verify: { result -> echo("smoke " + result.url) })')
        assert echoed.last() == 'smoke http://10020.deploy.deepin.test'
        assert failure('deepinPipeline(verify: { result -> error("no smoke") })') == 'no smoke'
        assert tool.steps.last() == 'report'
        assert tool.asked.last().arguments.subMap(['phase', 'result', 'failing']) == [phase: '', result: [:], failing: 'no smoke']
    }

    /** The tool finds the failure among the results of the build. */
    @Test
    void 'a failure is reported and stays'() {
        tool.answers.deploy = { [4, BROKEN] }
        assert failure('deepinPipeline()').startsWith('deepinDeploy: DeployError: m')
        assert tool.steps == ['check', 'build', 'deploy', 'report']
        assert tool.asked.last().arguments.subMap(['phase', 'result']) == [phase: '', result: [:]]
    }

    /** What counts is why it failed. */
    @Test
    void 'a report that fails does not hide the failure'() {
        tool.answers.deploy = { [4, BROKEN] }
        tool.answers.report = { [6, [state: 'failed', 'error/class': 'ServiceError', 'error/message': 'no Gerrit', 'error/fault': 'operator']] }
        assert failure('deepinPipeline()').startsWith('deepinDeploy: DeployError')
        assert echoed.last().startsWith('it could not be told: deepinReport: ServiceError: no Gerrit')
    }

    /** A vote that was lost is no success. */
    @Test
    void 'a report that fails after a success fails'() {
        tool.answers.report = { [6, [state: 'failed', 'error/class': 'ServiceError', 'error/message': 'no Gerrit', 'error/fault': 'operator']] }
        assert failure('deepinPipeline()').startsWith('deepinReport: ServiceError: no Gerrit')
    }

    /** Gerrit that is away keeps no chat from being told, and the first failure counts. */
    @Test
    void 'chats are told where a report fails'() {
        Map gone = [state: 'failed', 'error/class': 'ServiceError', 'error/message': 'no Gerrit', 'error/fault': 'operator']
        tool.answers.report = { [6, gone] }
        assert failure('deepinPipeline(chats: ["team"])').startsWith('deepinReport: ServiceError: no Gerrit')
        assert tool.steps.last() == 'notify'
        tool.answers.notify = { [6, gone + ['error/message': 'no chat']] }
        assert failure('deepinPipeline(chats: ["team"])').startsWith('deepinReport: ServiceError: no Gerrit')
        assert echoed.last().startsWith('it could not be told: deepinNotify: ServiceError: no chat')
        tool.answers.deploy = { [4, BROKEN] }
        assert failure('deepinPipeline(chats: ["team"])').startsWith('deepinDeploy: DeployError')
        assert echoed.takeRight(2)*.take(27) == ['it could not be told: deepi'] * 2
        assert tool.steps.takeRight(2) == ['report', 'notify']
    }

    /** It is told as such, and stays so. */
    @Test
    void 'an aborted build'() {
        tool.answers.deploy = { throw new FlowInterruptedException() }
        failure('deepinPipeline()', FlowInterruptedException)
        assert tool.asked.last().subMap(['step']) == [step: 'report']
        assert tool.asked.last().arguments.phase == 'aborted'
    }

    /** The end of a change is the end of its environment. */
    @Test
    void 'a change that was abandoned or merged'() {
        tool.answers.remove = { [0, [state: 'removed', environment: '10020']] }
        for (event in ['change-abandoned', 'change-merged']) {
            binding.getVariable('env').GERRIT_EVENT_TYPE = event
            tool.asked.clear()
            assert run('return deepinPipeline()').state == 'removed'
            assert tool.steps == ['remove', 'report']
            assert tool.asked[0].arguments.environment == ''
        }
        run('deepinPipeline(name: "web-10020")')
        assert tool.asked[2].arguments.environment == 'web-10020'
    }

    /** A branch of a multibranch job has no change: nobody is told, and without a name nothing is deployed. */
    @Test
    void 'a build of a branch'() {
        tool.answers.build = { [0, [state: 'built']] }
        assert run('return deepinPipeline()').state == 'built'
        assert stages == ['Checkout', 'Check', 'Build']
        assert tool.steps == ['check', 'build']
        assert echoed.last() == 'no change and no `name`: what was built is not deployed'
        tool.asked.clear()
        run('deepinPipeline(name: "nightly", chats: ["team"])')
        assert tool.steps == ['check', 'build', 'deploy', 'status', 'notify']
    }

    /** One voter: where gerrit-trigger votes, we do not. Chats are told only where they are named. */
    @Test
    void 'who is told'() {
        run('deepinPipeline(report: false, chats: ["team"])')
        assert tool.steps == ['check', 'build', 'deploy', 'status', 'notify']
        assert tool.asked.last().arguments.subMap(['text', 'to']) == [text: 'docs 7: done http://ci/7/', to: ['team']]
    }

    /** Neither is a failure. */
    @Test
    void 'chats are told what came of it'() {
        tool.answers.deploy = { [0, [state: 'superseded', supersededBy: '10020-4']] }
        failure('deepinPipeline(chats: ["team"])')
        tool.answers.deploy = { throw new FlowInterruptedException() }
        currentBuild.result = null
        failure('deepinPipeline(chats: ["team"])', FlowInterruptedException)
        List texts = tool.asked.findAll { it.step == 'notify' }*.arguments*.text
        assert texts == ['docs 7: superseded http://ci/7/', 'docs 7: aborted http://ci/7/']
    }

    /** These tests notice what Jenkins could not keep, such as a Matcher. */
    @Test
    void 'what cannot be kept is noticed'() {
        String text = "deepinPipeline(verify: { result -> def matcher = ('x' =~ /x/); echo('a'); echo('b') })"
        Exception problem = null
        try {
            run(text)
        } catch (Exception caught) {
            problem = caught
        }
        assert problem?.cause instanceof NotSerializableException
    }
}
