# Created by matenv. Restores the variables that activation saved.
& {
    $store = @STORE@
    $saved = '_MATENV_SAVED_@ID@'
    if ($null -eq [Environment]::GetEnvironmentVariable($saved)) { return }
    $separator = [string][IO.Path]::PathSeparator
    $slash = [string][IO.Path]::DirectorySeparatorChar
    foreach ($name in 'LD_LIBRARY_PATH', 'LD_PRELOAD', 'PYTHONPATH', 'PYTHONHOME', 'ORT_DISABLE_TELEMETRY', 'PYTHONNOUSERSITE') {
        [Environment]::SetEnvironmentVariable($name, [Environment]::GetEnvironmentVariable("${saved}_$name"))
        [Environment]::SetEnvironmentVariable("${saved}_$name", $null)
    }
    $link = [Environment]::GetEnvironmentVariable("${saved}_LINK")
    if ($link) {
        $back = foreach ($entry in $Env:PATH.Split($separator)) {
            if ("$entry$slash".StartsWith("$store$slash", [StringComparison]::OrdinalIgnoreCase)) {
                $link + $entry.Substring($store.Length)
            } else { $entry }
        }
        $Env:PATH = $back -join $separator
    }
    $prefix = [Environment]::GetEnvironmentVariable("${saved}_PREFIX")
    if ($prefix -and $Env:CONDA_PREFIX -eq $store) { $Env:CONDA_PREFIX = $prefix }
    foreach ($name in $saved, "${saved}_LINK", "${saved}_PREFIX") { [Environment]::SetEnvironmentVariable($name, $null) }
}
