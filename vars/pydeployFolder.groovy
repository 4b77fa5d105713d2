/**
 * A new folder for one call of `command`, with what starts the tool: `folder` in `place`. It is beside
 * the workspace, because that is the change. All steps of a build have the same place, also within
 * `dir`, where `pwd(tmp: true)` would be in the workspace.
 */
Map call(String command) {
    String place = env.WORKSPACE_TMP ?: (env.WORKSPACE ? env.WORKSPACE + '@tmp' : pwd(tmp: true))
    String folder = 'pydeploy/' + command + '-' + UUID.randomUUID()
    List names = ['bootstrap.sh', 'requirements.txt']
    for (int at = 0; at < names.size(); at++) { // an iterator could not be kept over a step
        String text = libraryResource('com/deepin/pydeploy/' + names[at])
        writeFile(file: place + '/' + folder + '/' + names[at], text: text, encoding: 'UTF-8')
    }
    return [place: place, folder: folder, path: place + '/' + folder]
}
