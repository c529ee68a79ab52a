# Created by matenv. Pins the activated shell to one generation and hides the libraries of other programs.
set -l store @STORE@
if not set -q _MATENV_SAVED_@ID@
    # With --stack, conda runs this again without deactivating first. The user's values are saved by then.
    set -gx _MATENV_SAVED_@ID@ 1
    for name in LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME ORT_DISABLE_TELEMETRY PYTHONNOUSERSITE
        if set -q $name
            set -gx _MATENV_SAVED_@ID@_$name $$name
        else
            set -e -g _MATENV_SAVED_@ID@_$name
        end
    end
end
for name in LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME
    set -e -g $name
    # A universal variable belongs to all of the user's shells: hide it here, do not erase it.
    if set -q -U $name
        set -g --unexport $name
    end
end
set -gx ORT_DISABLE_TELEMETRY 1
set -gx PYTHONNOUSERSITE 1
for link in @LINKS@
    while set -l at (contains -i -- $link/bin $PATH)
        set PATH[$at] $store/bin
        set -gx _MATENV_SAVED_@ID@_LINK $link
    end
    if test "$CONDA_PREFIX" = "$link"
        set -gx _MATENV_SAVED_@ID@_PREFIX $link
        set -gx CONDA_PREFIX $store
    end
end
