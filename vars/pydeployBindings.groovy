/**
 * How the credentials `id` of a system may be bound, the likeliest kind first. By class, because
 * other plugins have steps called `zip` and `file`.
 */
List call(String system, String id) {
    String prefix = 'PYDEPLOY_' + system.toUpperCase()
    Map account = [
        $class: 'UsernamePasswordMultiBinding',
        credentialsId: id,
        usernameVariable: prefix + '_USERNAME',
        passwordVariable: prefix + '_PASSWORD',
    ]
    Map key = [$class: 'SSHUserPrivateKeyBinding', credentialsId: id, keyFileVariable: prefix + '_SSH_KEY']
    Map text = [$class: 'StringBinding', credentialsId: id]
    Map certificates = [$class: 'ZipFileBinding', credentialsId: id, variable: prefix + '_TLS']
    Map kinds = [
        etcd: [account],
        registry: [account],
        gerrit: [account, key + [usernameVariable: prefix + '_USERNAME']],
        engine: [key + [usernameVariable: prefix + '_SSH_USERNAME'], certificates],
        chat: [text + [variable: prefix + '_WEBHOOK']],
        jenkins: [account + [passwordVariable: prefix + '_TOKEN'], text + [variable: prefix + '_TRIGGER_TOKEN']],
    ]
    return kinds[system]
}
