# Created by matenv. Pins the activated shell to one generation and hides the libraries of other programs.
& {
    $store = @STORE@
    $saved = '_MATENV_SAVED_@ID@'
    $separator = [string][IO.Path]::PathSeparator
    $slash = [string][IO.Path]::DirectorySeparatorChar
    $aside = 'LD_LIBRARY_PATH', 'LD_PRELOAD', 'PYTHONPATH', 'PYTHONHOME'
    if ($null -eq [Environment]::GetEnvironmentVariable($saved)) {
        # With --stack, conda runs this again without deactivating first. The user's values are saved by then.
        [Environment]::SetEnvironmentVariable($saved, '1')
        foreach ($name in $aside + 'ORT_DISABLE_TELEMETRY', 'PYTHONNOUSERSITE') {
            [Environment]::SetEnvironmentVariable("${saved}_$name", [Environment]::GetEnvironmentVariable($name))
        }
    }
    foreach ($name in $aside) { [Environment]::SetEnvironmentVariable($name, $null) }
    $Env:ORT_DISABLE_TELEMETRY = '1'
    $Env:PYTHONNOUSERSITE = '1'
    foreach ($link in @LINKS@) {
        $moved = foreach ($entry in $Env:PATH.Split($separator)) {
            if ("$entry$slash".StartsWith("$link$slash", [StringComparison]::OrdinalIgnoreCase)) {
                [Environment]::SetEnvironmentVariable("${saved}_LINK", $link)
                $store + $entry.Substring($link.Length)
            } else { $entry }
        }
        $Env:PATH = $moved -join $separator
        if ($Env:CONDA_PREFIX -eq $link) {
            [Environment]::SetEnvironmentVariable("${saved}_PREFIX", $link)
            $Env:CONDA_PREFIX = $store
        }
    }
}
