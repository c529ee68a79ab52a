# Made by matenv. An activated shell keeps to one generation and sees no other program's libraries.
$__matenv_store = @STORE@
$__matenv_depth = 1 + [int]$Env:_MATENV_DEPTH_@ID@
$Env:_MATENV_DEPTH_@ID@ = $__matenv_depth
if ($__matenv_depth -eq 1) {
    foreach ($__matenv_name in 'LD_LIBRARY_PATH', 'LD_PRELOAD', 'PYTHONPATH', 'PYTHONHOME', 'ORT_DISABLE_TELEMETRY', 'PYTHONNOUSERSITE') {
        $__matenv_value = [Environment]::GetEnvironmentVariable($__matenv_name)
        [Environment]::SetEnvironmentVariable("_MATENV_@ID@_$__matenv_name", $__matenv_value)
        [Environment]::SetEnvironmentVariable($__matenv_name, $null)
    }
    $Env:ORT_DISABLE_TELEMETRY = '1'
    $Env:PYTHONNOUSERSITE = '1'
}
foreach ($__matenv_link in @LINKS@) {
    $__matenv_separator = [IO.Path]::PathSeparator
    $Env:PATH = (($Env:PATH -split [regex]::Escape($__matenv_separator)) | ForEach-Object {
        if ($_ -eq $__matenv_link -or $_.StartsWith($__matenv_link + [IO.Path]::DirectorySeparatorChar)) {
            $__matenv_store + $_.Substring($__matenv_link.Length)
        } else { $_ }
    }) -join $__matenv_separator
    if ($Env:CONDA_PREFIX -eq $__matenv_link) { $Env:CONDA_PREFIX = $__matenv_store }
}
