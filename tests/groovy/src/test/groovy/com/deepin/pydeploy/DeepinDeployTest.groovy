package com.deepin.pydeploy

import groovy.json.JsonSlurper
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.junit.Test

/** deepinDeploy, and with it what all steps share. */
class DeepinDeployTest extends StepTest {

    static final Map RUNNING = [
        state: 'running', environment: '10020', release: '10020-3', url: 'http://10020.deploy.deepin.test',
        'urls/web': 'http://10020.deploy.deepin.test', 'images/a.b': 'r/x@sha256:1',
    ]

    /** With no argument, everything else is the tool's to find out. */
    @Test
    void 'no argument is needed'() {
        tool.answers.deploy = { [0, RUNNING] }
        Map result = run('return deepinDeploy()')
        assert result == [
            state: 'running', environment: '10020', release: '10020-3', url: 'http://10020.deploy.deepin.test',
            urls: [web: 'http://10020.deploy.deepin.test'], images: ['a.b': 'r/x@sha256:1'],
        ]
        assert tool.asked[0].arguments.folder == '.'
        assert currentBuild.description == 'http://10020.deploy.deepin.test'
        assert currentBuild.result == null
    }

    /** One shell per call, and nothing of a pipeline in its text. */
    @Test
    void 'the shell is constant'() {
        tool.answers.deploy = { [0, RUNNING] }
        run('deepinDeploy(topic: "\'; rm -rf ~; \'")')
        assert shells == [tool.bootstrapped]
    }

    /** Quotes, line ends, variables of Jenkins and emoji: in JSON, with no `$` that Jenkins could expand. */
    @Test
    void 'every text arrives as it is'() {
        for (text in ['$(touch /tmp/x)', '\'; rm -rf ~; \'', '${HOME} $PATH $$', 'two\nlines\t"and" \\n', '\ud83d\ude80 \u00e9', '%20+&=']) {
            binding.setVariable('text', text)
            run('deepinDeploy(topic: text)')
            assert tool.asked.last().arguments.topic == text
            assert !tool.asked.last().variables.PYDEPLOY_STEP.contains('$')
        }
    }

    /** Whatever the tool answers comes back as it is. */
    @Test
    void 'every text comes back as it is'() {
        String text = '$(id) \'"\n=%+. \ud83d\ude80'
        tool.answers.deploy = { [0, RUNNING + [release: text, ('urls/' + text): text]] }
        Map result = run('return deepinDeploy()')
        assert result.release == text
        assert result.urls[text] == text
    }

    /** The link of what this build deployed, and of nothing else. */
    @Test
    void 'only a deploy describes the build'() {
        tool.answers.status = { [0, [state: 'running', url: 'http://other']] }
        tool.answers.trigger = { [0, [state: 'done', url: 'http://other/12/']] }
        run('deepinStatus(environment: "other"); deepinTrigger(job: "x")')
        assert currentBuild.description == null
    }

    /** Beside the workspace also within `dir`, where a temporary folder would be in the change. */
    @Test
    void 'the place of the files is that of the workspace'() {
        List places = []
        tool.answers.status = { places.add(new File(tool.asked.last().variables.PYDEPLOY_RESULT).parentFile.parent); [0, [state: 'done']] }
        helper.registerAllowedMethod('pwd', [Map]) { Map it -> workspace.path + '/sub@tmp' }
        Map env = binding.getVariable('env')
        env.WORKSPACE = workspace.path
        run('deepinStatus()')
        env.WORKSPACE_TMP = workspace.path + '_tmp'
        run('deepinStatus()')
        assert places == [workspace.path + '@tmp', workspace.path + '_tmp']
    }

    /** The end of the node does not kill an undo that goes on; the step's own abort has another cookie. */
    @Test
    void 'the end of the node is not the end of the tool'() {
        run('deepinStatus()')
        assert tool.asked[0].variables.JENKINS_NODE_COOKIE == 'dontKillMe'
        assert !tool.asked[0].variables.containsKey('JENKINS_SERVER_COOKIE')
    }

    /** What ended the step is told, and not that there was nothing to archive then. */
    @Test
    void 'an artifact that cannot be kept hides nothing'() {
        tool.answers.deploy = { throw new FlowInterruptedException() }
        helper.registerAllowedMethod('archiveArtifacts', [Map]) { Map it -> throw new IOException('the channel is closed') }
        failure('deepinDeploy()', FlowInterruptedException)
        assert echoed == ['result.json is not archived: the channel is closed']
    }

    /** Before anything runs. */
    @Test
    void 'unknown arguments fail at once'() {
        assert failure('deepinDeploy(tll: "3d")') == 'deepinDeploy: there is no argument \'tll\'; did you mean \'ttl\'?'
        assert failure('deepinDeploy(gerritproject: "x")').endsWith('did you mean \'gerritProject\'?')
        assert failure('deepinDeploy(xyzzy: "x")').contains('; there is site, folder, change,')
        assert shells.empty
    }

    /** By the type of the default; a number may come as text, as a build's parameters do. */
    @Test
    void 'types are checked'() {
        assert failure('deepinDeploy(force: "yes")') == 'deepinDeploy: force must be true or false, not a text'
        assert failure('deepinDeploy(ttl: 3)') == 'deepinDeploy: ttl must be a text, not a whole number'
        assert failure('deepinDeploy(change: "ten")') == 'deepinDeploy: change must be a whole number, not a text'
        assert failure('deepinDeploy(topic: ["a"])') == 'deepinDeploy: topic must be a text, not a list'
        assert failure('deepinDeploy(topic: 1.5)') == 'deepinDeploy: topic must be a text, not something else'
        run('int number = 10020; deepinDeploy(change: "10020", patchset: 3, topic: "t${number}", ttl: null)')
        assert tool.asked[0].arguments.subMap(['change', 'patchset', 'topic', 'ttl']) ==
            [change: '10020', patchset: 3, topic: 't10020', ttl: '']
    }

    /** Class, message on one line, and whose turn it is. */
    @Test
    void 'a failure ends the build with one line'() {
        tool.answers.deploy = { [4, [state: 'failed', exitCode: '4', 'error/class': 'DeployError',
            'error/message': 'web exited\nwith 1', 'error/fault': 'author']] }
        assert failure('deepinDeploy()') == 'deepinDeploy: DeployError: web exited with 1 (the author\'s turn)'
        tool.answers.deploy = { [6, [state: 'failed', 'error/class': 'ServiceError', 'error/message': 'm', 'error/fault': 'operator']] }
        assert failure('deepinDeploy()').endsWith('ServiceError: m (the operator\'s turn)')
        tool.answers.deploy = { [64, [state: 'failed', 'error/class': 'UsageError', 'error/message': 'm', 'error/fault': 'caller']] }
        assert failure('deepinDeploy()').endsWith('(the turn of whoever wrote the pipeline)')
        tool.answers.deploy = { [1, [state: 'failed', 'error/class': 'KeyError', 'error/message': 'm']] }
        assert failure('deepinDeploy()') == 'deepinDeploy: KeyError: m'
        assert archived.size() == 4
        assert currentBuild.description == null
    }

    /** The tool was killed, or never came that far; a report of this build finds that, too. */
    @Test
    void 'no result is a failure'() {
        binding.getVariable('env').BUILD_TAG = 'jenkins-docs-7'
        for (code in [0, 137]) {
            tool.answers.deploy = { [code, null] }
            assert failure('deepinDeploy()') ==
                "deepinDeploy: exit ${code}: pydeploy has left no result, see above (the operator's turn)"
            Map left = new JsonSlurper().parse(new File(tool.asked.last().variables.PYDEPLOY_RESULT, 'result.json')) as Map
            assert left.subMap(['step', 'build', 'state']) == [step: 'deploy', build: 'jenkins-docs-7', state: 'failed']
            assert left.error.subMap(['class', 'fault']) == ['class': "exit ${code}".toString(), fault: 'operator']
        }
    }

    /** Nobody votes: Jenkins keeps NOT_BUILT, which is worse than FAILURE to it. */
    @Test
    void 'superseded is not built'() {
        tool.answers.deploy = { [0, [state: 'superseded', supersededBy: 'patchset 4']] }
        assert failure('deepinDeploy()') == 'deepinDeploy: superseded by patchset 4; nobody votes'
        assert currentBuild.result == 'NOT_BUILT'
        assert archived.size() == 1
    }

    /** It goes on as what it is, so that Jenkins says ABORTED; what the tool left is archived. */
    @Test
    void 'an aborted build stays aborted'() {
        tool.answers.deploy = { throw new FlowInterruptedException() }
        failure('deepinDeploy()', FlowInterruptedException)
        assert archived.size() == 1
    }

    /** Each call has a folder of its own beside the workspace, and what it leaves is kept apart. */
    @Test
    void 'works in parallel'() {
        tool.answers.deploy = { Map it -> [0, RUNNING + [environment: it.name, url: "http://${it.name}".toString()]] }
        run('''
            Map found = [:]
            parallel(
                a: { found.a = deepinDeploy(folder: 'a', name: 'a').url },
                b: { found.b = deepinDeploy(folder: 'b', name: 'b').url })
            assert found == [a: 'http://a', b: 'http://b']
        ''')
        assert tool.asked*.variables*.PYDEPLOY_RESULT.unique().size() == 2
        assert tool.asked.every { it.variables.PYDEPLOY_RESULT.startsWith("${workspace.path}@tmp/pydeploy/deploy-") }
        assert archived.unique().size() == 2
        assert currentBuild.description == 'http://a http://b'
    }
}
