# Made by matenv: what activation set aside comes back.
$__matenv_depth = [int]$Env:_MATENV_DEPTH_@ID@ - 1
if ($__matenv_depth -gt 0) {
    $Env:_MATENV_DEPTH_@ID@ = $__matenv_depth
} else {
    $Env:_MATENV_DEPTH_@ID@ = $null
    foreach ($__matenv_name in 'LD_LIBRARY_PATH', 'LD_PRELOAD', 'PYTHONPATH', 'PYTHONHOME', 'ORT_DISABLE_TELEMETRY', 'PYTHONNOUSERSITE') {
        $__matenv_value = [Environment]::GetEnvironmentVariable("_MATENV_@ID@_$__matenv_name")
        [Environment]::SetEnvironmentVariable($__matenv_name, $__matenv_value)
        [Environment]::SetEnvironmentVariable("_MATENV_@ID@_$__matenv_name", $null)
    }
}
