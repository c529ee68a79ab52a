# Made by matenv: what activation set aside comes back.
_matenv_depth=$((${_MATENV_DEPTH_@ID@:-1} - 1))
if [ "$_matenv_depth" -gt 0 ]; then
  export _MATENV_DEPTH_@ID@="$_matenv_depth"
else
  unset _MATENV_DEPTH_@ID@
  for _matenv_name in LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME ORT_DISABLE_TELEMETRY PYTHONNOUSERSITE; do
    eval "_matenv_set=\${_MATENV_@ID@_$_matenv_name+x}"
    if [ -n "$_matenv_set" ]; then
      eval "export $_matenv_name=\"\${_MATENV_@ID@_$_matenv_name}\""
      unset "_MATENV_@ID@_$_matenv_name"
    else
      unset "$_matenv_name"
    fi
  done
fi
unset _matenv_depth _matenv_name _matenv_set
