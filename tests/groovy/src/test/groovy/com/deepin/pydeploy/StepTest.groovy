package com.deepin.pydeploy

import com.lesfurets.jenkins.unit.cps.BasePipelineTestCPS
import com.lesfurets.jenkins.unit.cps.PipelineTestHelperCPS
import com.lesfurets.jenkins.unit.global.lib.LibraryConfiguration
import com.lesfurets.jenkins.unit.global.lib.SourceRetriever
import groovy.json.JsonSlurper
import hudson.AbortException
import org.junit.Before
import org.junit.Rule
import org.junit.rules.TemporaryFolder

/**
 * Runs pipelines with the library on, CPS-transformed as in Jenkins: after each call everything that a
 * pipeline keeps is written out and read back. Jenkins' own steps are stood in for here; files are
 * real ones below a temporary folder, and `sh` hands its environment to a `Tool`.
 */
abstract class StepTest extends BasePipelineTestCPS {

    static final File LIBRARY = new File(System.getProperty('library')).canonicalFile

    @Rule
    public TemporaryFolder folder = new TemporaryFolder()

    Tool tool = new Tool()
    Map<String, Object> credentials = [:]   // id: the class of the binding that fits
    List<String> shells = []                // the text of each `sh`
    List<String> archived = []
    List<String> echoed = []
    List<Map> bound = []                    // bindings that were made, in their order
    List<String> variables = []             // NAME=value, innermost last
    List<String> stages = []

    StepTest() {
        helper = new Keeping()
    }

    @Override
    @Before
    void setUp() throws Exception {
        scriptRoots = [folder.root.path] as String[]
        scriptExtension = ''
        super.setUp()
        helper.registerSharedLibrary(LibraryConfiguration.library().name('pydeploy').retriever(new Checkout())
            .targetPath('.').defaultVersion('main').allowOverride(true).implicit(true).build())
        binding.setVariable('env', [JOB_NAME: 'docs', BUILD_NUMBER: '7', BUILD_URL: 'http://ci/7/'])
        binding.setVariable('currentBuild', [result: null, currentResult: 'SUCCESS', description: null])
        binding.setVariable('scm', [url: 'ssh://review.deepin.test:29418/docs/hello'])
        registerSteps()
        registerDeclarative()
    }

    /** Runs the text of a Jenkinsfile; its last value. */
    Object run(String text) {
        File file = new File(folder.root, "Jenkinsfile${System.nanoTime()}")
        file.setText(text, 'UTF-8')
        return runScript(file.name)
    }

    /** The message with which a Jenkinsfile ends the build. */
    String failure(String text, Class kind = AbortException) {
        try {
            run(text)
        } catch (Exception problem) {
            assert kind.isInstance(problem)
            return problem.message
        }
        throw new AssertionError('it did not fail')
    }

    File getWorkspace() {
        return new File(folder.root, 'workspace')
    }

    Map getCurrentBuild() {
        return binding.getVariable('currentBuild')
    }

    void registerSteps() {
        def allow = { String name, List types, Closure does -> helper.registerAllowedMethod(name, types, does) }
        allow('pwd', [Map]) { Map it -> workspace.path + (it.tmp ? '@tmp' : '') }
        allow('writeFile', [Map]) { Map it ->
            File file = new File(it.file)
            file.parentFile.mkdirs()
            file.setText(it.text, it.encoding)
        }
        allow('fileExists', [String]) { String it -> new File(it).exists() }
        allow('readFile', [Map]) { Map it -> new File(it.file).getText(it.encoding) }
        allow('dir', [String, Closure]) { String path, Closure body -> helper.callClosure(body) }
        allow('archiveArtifacts', [Map]) { Map it ->
            assert it.allowEmptyArchive
            archived.add(it.artifacts)
        }
        allow('echo', [String]) { String it -> echoed.add(it) }
        allow('error', [String]) { String it -> throw new AbortException(it) }
        allow('withEnv', [List, Closure]) { List names, Closure body -> within(names*.toString(), body) }
        allow('withCredentials', [List, Closure]) { List wanted, Closure body -> within(bind(wanted), body) }
        allow('sh', [Map]) { Map it ->
            assert it.returnStatus
            shells.add(it.script)
            return runShell(it.script, variables.collectEntries { one -> one.split('=', 2).toList() })
        }
        allow('node', [Object, Closure]) { Object label, Closure body -> helper.callClosure(body) }
        allow('stage', [String, Closure]) { String name, Closure body ->
            stages.add(name)
            return helper.callClosure(body)
        }
        allow('checkout', [Object]) { Object it -> }
    }

    /** What `sh` does; its exit code. */
    int runShell(String script, Map<String, String> given) {
        return tool.run(given)
    }

    Object within(List<String> added, Closure body) {
        int before = variables.size()
        variables.addAll(added)
        try {
            return helper.callClosure(body)
        } finally {
            variables = variables.take(before)
        }
    }

    List<String> bind(List<Map> wanted) {
        return wanted.collectMany { Map it ->
            if (credentials[it.credentialsId] != it['$class']) {
                throw new AbortException("Credentials '${it.credentialsId}' is of another type")
            }
            bound.add(it)
            it.keySet().findAll { String key -> key.endsWith('ariable') }.collect { String key -> "${it[key]}=${secret(it.credentialsId, key)}" as String }
        }
    }

    /** What a variable of a binding gets. */
    String secret(String id, String key) {
        return "${id}:${key}"
    }

    /** Enough of a declarative pipeline: stages in their order, then what `post` says of their end. */
    void registerDeclarative() {
        Exception ended = null
        def allow = { String name, List types, Closure does -> helper.registerAllowedMethod(name, types, does) }
        binding.setVariable('any', 'any')
        for (name in ['steps', 'script', 'options', 'triggers', 'when']) {
            allow(name, [Closure]) { Closure body -> helper.callClosure(body) }
        }
        allow('agent', [Object]) { Object it -> }
        allow('cron', [String]) { String it -> }
        allow('label', [String]) { String it -> }
        allow('pipeline', [Closure]) { Closure body ->
            helper.callClosure(body)
            if (ended) {
                throw ended
            }
        }
        allow('stages', [Closure]) { Closure body ->
            try {
                helper.callClosure(body)
            } catch (Exception problem) {
                ended = problem
                currentBuild.currentResult = currentBuild.currentResult == 'SUCCESS' ? 'FAILURE' : currentBuild.currentResult
            }
        }
        allow('post', [Closure]) { Closure body -> helper.callClosure(body) }
        allow('always', [Closure]) { Closure body -> helper.callClosure(body) }
        allow('success', [Closure]) { Closure body -> ended ?: helper.callClosure(body) }
        allow('failure', [Closure]) { Closure body -> ended && helper.callClosure(body) }
    }

    /**
     * Writes out and reads back what a pipeline keeps whenever it has called something: in between,
     * Jenkins does not do it either, and it takes long.
     */
    static class Keeping extends PipelineTestHelperCPS {
        private int seen = 0

        @Override
        <T> T roundtripSerialization(T object) {
            if (callStack.size() == seen) {
                return object
            }
            seen = callStack.size()
            return super.roundtripSerialization(object)
        }
    }

    /** What `pydeploy step` is asked, and what it leaves. */
    static class Tool {
        List<Map> asked = []                // [step, arguments, variables] of each call
        Map<String, Closure> answers = [:]  // step: what it leaves, as [code, properties]
        final String bootstrapped = 'exec sh "$PYDEPLOY_BOOTSTRAP" step'

        int run(Map<String, String> variables) {
            Map step = new JsonSlurper().parseText(variables.PYDEPLOY_STEP) as Map
            asked.add(step + [variables: variables])
            File result = new File(variables.PYDEPLOY_RESULT)
            assert result.list().sort() == ['bootstrap.sh', 'requirements.txt']
            def (int code, Map lines) = (answers[step.step] ?: { [0, [state: 'done']] }).call(step.arguments)
            if (lines != null) {
                new File(result, 'result.properties').setText(lines.collect { key, value ->
                    key.split('/').collect { encoded(it) }.join('.') + '=' + encoded(value)
                }.join('\n') + '\n', 'US-ASCII')
            }
            return code
        }

        /** As the tool does: percent, never plus. */
        private static String encoded(Object text) {
            return URLEncoder.encode(text.toString(), 'UTF-8').replace('+', '%20').replace('.', '%2E')
        }

        List<String> getSteps() {
            return asked*.step
        }
    }

    /** The library is this checkout. */
    static class Checkout implements SourceRetriever {
        @Override
        List<URL> retrieve(String repository, String branch, String targetPath) {
            return [LIBRARY.toURI().toURL()]
        }
    }
}
