package com.deepin.pydeploy

import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.junit.Test

/** Credentials by id: as what they are, only those that were named, and never in what is asked. */
class CredentialsTest extends StepTest {

    /** By the step's argument; the tool gets them in variables. */
    @Test
    void 'each system has its variables'() {
        credentials.putAll([e: 'UsernamePasswordMultiBinding', r: 'UsernamePasswordMultiBinding', k: 'SSHUserPrivateKeyBinding'])
        run('deepinDeploy(etcdCredentialsId: "e", registryCredentialsId: "r", engineCredentialsId: "k")')
        assert tool.asked[0].variables.subMap(['PYDEPLOY_ETCD_USERNAME', 'PYDEPLOY_ETCD_PASSWORD', 'PYDEPLOY_REGISTRY_PASSWORD',
                'PYDEPLOY_ENGINE_SSH_KEY', 'PYDEPLOY_ENGINE_SSH_USERNAME']) == [
            PYDEPLOY_ETCD_USERNAME: 'e:usernameVariable', PYDEPLOY_ETCD_PASSWORD: 'e:passwordVariable',
            PYDEPLOY_REGISTRY_PASSWORD: 'r:passwordVariable', PYDEPLOY_ENGINE_SSH_KEY: 'k:keyFileVariable',
            PYDEPLOY_ENGINE_SSH_USERNAME: 'k:usernameVariable']
        assert !tool.asked[0].variables.PYDEPLOY_STEP.contains('CredentialsId')
    }

    /** Set once in Jenkins for all jobs; an argument counts more, and other systems' are left alone. */
    @Test
    void 'an id may be global'() {
        credentials.putAll([global: 'UsernamePasswordMultiBinding', own: 'UsernamePasswordMultiBinding'])
        binding.getVariable('env').putAll([PYDEPLOY_ETCD_CREDENTIALS_ID: 'global', PYDEPLOY_GERRIT_CREDENTIALS_ID: 'global'])
        run('deepinStatus()')
        run('deepinStatus(etcdCredentialsId: "own")')
        assert bound*.credentialsId == ['global', 'own']
    }

    /** Gerrit by REST or by ssh, an engine by ssh or by TLS, Jenkins by account or by the job's token. */
    @Test
    void 'the other kind is tried'() {
        for (one in [
            ['deepinReport', 'gerrit', 'UsernamePasswordMultiBinding', 'PYDEPLOY_GERRIT_PASSWORD'],
            ['deepinReport', 'gerrit', 'SSHUserPrivateKeyBinding', 'PYDEPLOY_GERRIT_SSH_KEY'],
            ['deepinCheck', 'gerrit', 'UsernamePasswordMultiBinding', 'PYDEPLOY_GERRIT_PASSWORD'],
            ['deepinBuild', 'gerrit', 'UsernamePasswordMultiBinding', 'PYDEPLOY_GERRIT_PASSWORD'],
            ['deepinDeploy', 'gerrit', 'SSHUserPrivateKeyBinding', 'PYDEPLOY_GERRIT_SSH_KEY'],
            ['deepinDeploy', 'engine', 'SSHUserPrivateKeyBinding', 'PYDEPLOY_ENGINE_SSH_KEY'],
            ['deepinDeploy', 'engine', 'ZipFileBinding', 'PYDEPLOY_ENGINE_TLS'],
            ['deepinTrigger', 'jenkins', 'UsernamePasswordMultiBinding', 'PYDEPLOY_JENKINS_TOKEN'],
            ['deepinTrigger', 'jenkins', 'StringBinding', 'PYDEPLOY_JENKINS_TRIGGER_TOKEN'],
        ]) {
            credentials.id = one[2]
            run("${one[0]}(${one[1]}CredentialsId: 'id')")
            assert tool.asked.last().variables[one[3]]?.startsWith('id:')
        }
    }

    /** Of no kind that would do: Jenkins' own words, and nothing runs. */
    @Test
    void 'credentials of a third kind are refused'() {
        credentials.id = 'StringBinding'
        assert failure('deepinDeploy(engineCredentialsId: "id")') == 'Credentials \'id\' is of another type'
        assert failure('deepinDeploy(etcdCredentialsId: "id")') == 'Credentials \'id\' is of another type'
        assert shells.empty
    }

    /** Only a binding is tried again: what fails inside of it has failed. */
    @Test
    void 'a failure is not repeated'() {
        credentials.id = 'UsernamePasswordMultiBinding'
        for (problem in [new AbortException('agent went away'), new FlowInterruptedException()]) {
            tool.answers.report = { throw problem }
            failure('deepinReport(gerritCredentialsId: "id")', problem.class)
        }
        assert tool.steps == ['report', 'report']
    }
}
