# Created by matenv. Restores the variables that activation saved.
if set -q _MATENV_SAVED_@ID@
    set -l store @STORE@
    for name in LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME ORT_DISABLE_TELEMETRY PYTHONNOUSERSITE
        set -l saved _MATENV_SAVED_@ID@_$name
        set -e -g $name
        if set -q $saved; and not set -q -U $name
            set -gx $name $$saved
        end
        set -e -g $saved
    end
    if set -q _MATENV_SAVED_@ID@_LINK
        while set -l at (contains -i -- $store/bin $PATH)
            set PATH[$at] $_MATENV_SAVED_@ID@_LINK/bin
        end
    end
    if set -q _MATENV_SAVED_@ID@_PREFIX; and test "$CONDA_PREFIX" = "$store"
        set -gx CONDA_PREFIX $_MATENV_SAVED_@ID@_PREFIX
    end
    set -e -g _MATENV_SAVED_@ID@
    set -e -g _MATENV_SAVED_@ID@_LINK
    set -e -g _MATENV_SAVED_@ID@_PREFIX
end
