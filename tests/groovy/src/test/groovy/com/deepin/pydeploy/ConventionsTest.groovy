package com.deepin.pydeploy

import org.codehaus.groovy.ast.CodeVisitorSupport
import org.codehaus.groovy.ast.ClassNode
import org.codehaus.groovy.ast.MethodNode
import org.codehaus.groovy.ast.builder.AstBuilder
import org.codehaus.groovy.ast.expr.*
import org.codehaus.groovy.control.CompilePhase
import hudson.AbortException
import org.junit.Test

/** What holds for every step, read off its source and its syntax tree. */
class ConventionsTest extends StepTest {

    static final List<File> SOURCES = new File(LIBRARY, 'vars').listFiles().findAll { it.name.endsWith('.groovy') }.sort()
    static final List<String> STEPS = SOURCES*.name*.replace('.groovy', '').findAll { it.startsWith('deepin') }

    /**
     * What the library calls by a class, or on a value: all of it is in the default whitelist of
     * script-security (`generic-whitelist`), so that no administrator has to approve anything.
     */
    static final Set<String> STATIC = ['JsonOutput.toJson', 'URLDecoder.decode', 'UUID.randomUUID', 'Math.min']
    static final Set<String> METHODS = [
        // java.lang: CharSequence, String, Object, Throwable
        'charAt', 'length', 'contains', 'indexOf', 'replace', 'substring', 'toLowerCase', 'toUpperCase', 'toString',
        // java.util: Collection, List, Map
        'add', 'containsKey', 'get', 'keySet', 'put', 'size',
        // DefaultGroovyMethods, StringGroovyMethods
        'drop', 'isInteger', 'join', 'last', 'subMap', 'toList', 'tokenize',
        // a block that the pipeline gave
        'call',
    ]
    /** Steps of Jenkins' own: Pipeline and credentials-binding. */
    static final Set<String> JENKINS = ['archiveArtifacts', 'checkout', 'dir', 'echo', 'error', 'fileExists', 'libraryResource',
        'node', 'pwd', 'readFile', 'sh', 'stage', 'withCredentials', 'withEnv', 'writeFile']

    /** A page that scrolls is a step that does too much. */
    @Test
    void 'each is short'() {
        for (file in SOURCES) {
            assert file.readLines().size() < 40, file.name
        }
    }

    /** Jenkins shows it on the page of global variables. */
    @Test
    void 'each has a help that names every argument with its default'() {
        for (file in SOURCES) {
            assert new File(file.path.replace('.groovy', '.txt')).text.trim(), file.name
        }
        for (name in STEPS) {
            String help = new File(LIBRARY, "vars/${name}.txt").text
            List<String> helped = (help =~ /(?m)^- (\w+) \(/).collect { it[1] }
            assert helped.toSet() == argumentsOf(name).keySet(), name
            argumentsOf(name).each { argument, value ->
                assert help =~ /(?m)^- ${argument} \([a-z\/]+, ${java.util.regex.Pattern.quote(written(value))}\): \S/, "${name} ${argument}"
            }
            assert help.contains('Returns a Map') && help.contains('Example: ')
        }
    }

    /** At once, with the name that was meant. */
    @Test
    void 'each refuses unknown arguments'() {
        for (name in STEPS) {
            String known = argumentsOf(name).keySet().first()
            assert failure("${name}(${known}x: 1)") == "${name}: there is no argument '${known}x'; did you mean '${known}'?"
            assert failure("${name}(zzzzzzzzz: 1)").contains('; there is site')
        }
        assert shells.empty
    }

    /** In the runner, and its text is a constant. */
    @Test
    void 'there is one shell'() {
        List<MethodCallExpression> shells = SOURCES.collectMany { calls(it) }.findAll { it.methodAsString == 'sh' }
        assert shells.size() == 1
        assert new File(LIBRARY, 'vars/pydeployStep.groovy').text.count('sh(') == 1
        MapExpression arguments = ((TupleExpression) shells[0].arguments).expressions[0] as MapExpression
        Map named = arguments.mapEntryExpressions.collectEntries { [it.keyExpression.text, it.valueExpression] }
        assert named.script instanceof ConstantExpression
        assert named.keySet() == ['script', 'returnStatus'] as Set
        for (word in ['bat', 'powershell', 'pwsh', 'execute', 'evaluate', 'Eval']) {
            assert SOURCES.every { !it.text.contains(word + '(') && !it.text.contains(word + ' ') }, word
        }
    }

    /** The sandbox refuses constructors, and what is not in its whitelist. */
    @Test
    void 'the sandbox lets all of it pass'() {
        for (file in SOURCES) {
            List<String> own = methods(file)
            visit(file, [visitConstructorCallExpression: { ConstructorCallExpression it -> assert false, "${file.name}: new" }])
            for (call in calls(file)) {
                String name = call.methodAsString
                if (call.implicitThis) {
                    assert name in JENKINS || name in own || SOURCES.any { it.name == name + '.groovy' } || name == 'body', "${file.name}: ${name}"
                } else if (isClass(call.objectExpression)) {
                    assert "${call.objectExpression.text.tokenize('.').last()}.${name}".toString() in STATIC, "${file.name}: ${name}"
                } else {
                    assert name in METHODS, "${file.name}: ${name}"
                }
            }
        }
    }

    /** Nothing is imported that could not be kept, or that the sandbox has not. */
    @Test
    void 'imports are few'() {
        Set<String> imports = SOURCES.collectMany { it.readLines() }.findAll { it.startsWith('import ') }*.substring(7)
        assert imports == ['com.cloudbees.groovy.cps.NonCPS', 'groovy.json.JsonOutput',
            'org.jenkinsci.plugins.workflow.steps.FlowInterruptedException'] as Set
    }

    private static boolean isClass(Expression expression) {
        return expression.text ==~ /([a-z]\w*\.)*[A-Z]\w*/
    }

    private static String written(Object value) {
        if (value instanceof Closure) {
            return 'none'
        }
        return value instanceof CharSequence ? "'${value}'" : value.toString().replace('{}', '[:]')
    }

    /** Arguments and their defaults, as the step itself hands them on. */
    private Map argumentsOf(String name) {
        Map found = null
        Script script = loadScript(new File(LIBRARY, "vars/${name}.groovy").path)
        helper.registerAllowedMethod('pydeployArguments', [Map, Map, Map]) { Map step, Map defaults, Map given ->
            found = [site: ''] + defaults + step.credentials.collectEntries { [it + 'CredentialsId', ''] }
            throw new AbortException('seen')
        }
        try {
            script.call([:])
        } catch (AbortException seen) {
            return found
        }
        throw new AssertionError("${name} did not ask for its arguments")
    }

    private static List<MethodCallExpression> calls(File file) {
        List<MethodCallExpression> found = []
        visit(file, [visitMethodCallExpression: { MethodCallExpression it -> found.add(it) }])
        return found
    }

    private static List<String> methods(File file) {
        return nodes(file).findAll { it instanceof ClassNode }.collectMany { ClassNode it -> it.methods*.name }
    }

    private static List nodes(File file) {
        return new AstBuilder().buildFromString(CompilePhase.CONVERSION, false, file.getText('UTF-8'))
    }

    private static void visit(File file, Map<String, Closure> does) {
        CodeVisitorSupport visitor = new CodeVisitorSupport() {
            @Override
            void visitMethodCallExpression(MethodCallExpression call) {
                does.visitMethodCallExpression?.call(call)
                super.visitMethodCallExpression(call)
            }

            @Override
            void visitConstructorCallExpression(ConstructorCallExpression call) {
                does.visitConstructorCallExpression?.call(call)
                super.visitConstructorCallExpression(call)
            }
        }
        nodes(file).findAll { it instanceof ClassNode }.each { ClassNode node ->
            node.methods.findAll { it.name != 'main' }.each { MethodNode method -> method.code?.visit(visitor) }
        }
    }
}
