source "${BASH_SOURCE[0]%/*}/ngc.bash"
