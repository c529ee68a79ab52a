# Made by matenv: what activation set aside comes back.
if set -q _MATENV_DEPTH_@ID@; and test $_MATENV_DEPTH_@ID@ -gt 1
    set -gx _MATENV_DEPTH_@ID@ (math $_MATENV_DEPTH_@ID@ - 1)
else
    set -e _MATENV_DEPTH_@ID@
    for name in LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME ORT_DISABLE_TELEMETRY PYTHONNOUSERSITE
        set -l saved _MATENV_@ID@_$name
        if set -q $saved
            set -gx $name $$saved
            set -e $saved
        else
            set -e $name
        end
    end
end
