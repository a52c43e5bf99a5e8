"""A site's training with NVFlare's Client API; for tests only."""

import nvflare.client as flare
from cnn import Network, train

flare.init()
while flare.is_running():
    received = flare.receive()
    module = Network()
    module.load_state_dict(received.params)
    count = train(module, flare.get_site_name())
    meta = {"NUM_STEPS_CURRENT_ROUND": count}
    flare.send(flare.FLModel(params=module.state_dict(), meta=meta))
