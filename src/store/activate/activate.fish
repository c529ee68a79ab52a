# Made by matenv. An activated shell keeps to one generation and sees no other program's libraries.
set -l store @STORE@
if set -q _MATENV_DEPTH_@ID@
    set -gx _MATENV_DEPTH_@ID@ (math $_MATENV_DEPTH_@ID@ + 1)
else
    set -gx _MATENV_DEPTH_@ID@ 1
    for name in LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME ORT_DISABLE_TELEMETRY PYTHONNOUSERSITE
        if set -q $name
            set -gx _MATENV_@ID@_$name (string join : $$name)
        end
        set -e $name
    end
    set -gx ORT_DISABLE_TELEMETRY 1
    set -gx PYTHONNOUSERSITE 1
end
for link in @LINKS@
    if set -l at (contains -i -- $link/bin $PATH)
        set -gx PATH[$at] $store/bin
    end
    if test "$CONDA_PREFIX" = "$link"
        set -gx CONDA_PREFIX $store
    end
end
